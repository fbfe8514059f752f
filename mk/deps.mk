# SPDX-License-Identifier: Apache-2.0

# Installs the packages of mk/packages.txt above the section $(1), or all of them, only when
# something is missing: so it costs nothing and needs no network else.
define install-packages
@packages=$$(sed $(if $(1),-e '/^# $(1)/$(comma)$$d') -e '/^#/d' mk/packages.txt); \
if dpkg-query -W -f '$${Status}\n' $$packages 2>/dev/null | \
	grep -c 'ok installed' | grep -qx "$$(echo $$packages | wc -w)"; then exit 0; fi; \
export DEBIAN_FRONTEND=noninteractive; \
apt-get -qq update && apt-get -qq -y install --no-install-recommends $$packages >/dev/null
endef
comma := ,

deps:
	$(call install-packages)

demo-deps:
	$(call install-packages,the test machine)

demo-vm-deps:
	$(call install-packages,lint)

.PHONY: deps demo-deps demo-vm-deps
