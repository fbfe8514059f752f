# SPDX-License-Identifier: Apache-2.0

# Installs only when something is missing, so that it costs nothing and needs no network else.
deps:
	@packages=$$(sed '/^#/d' mk/packages.txt); \
	if dpkg-query -W -f '$${Status}\n' $$packages 2>/dev/null | \
		grep -c 'ok installed' | grep -qx "$$(echo $$packages | wc -w)"; then exit 0; fi; \
	export DEBIAN_FRONTEND=noninteractive; \
	apt-get -qq update && apt-get -qq -y install --no-install-recommends $$packages >/dev/null

.PHONY: deps
