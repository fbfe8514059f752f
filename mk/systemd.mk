# SPDX-License-Identifier: Apache-2.0
#
# build/caisson-systemd, the systemd cgroup driver's other half: dynamic, executed only when asked
# for. SYSTEMD= (empty) builds without it. The program looks for it beside itself, in
# ../libexec/caisson/ from there, then in $(LIBEXECDIR).

SYSTEMD ?= yes

ifneq ($(SYSTEMD),)
SYSTEMD_SOURCES := $(wildcard systemd/*.c)
HELPERS += $(BUILD)/caisson-systemd

all: $(BUILD)/caisson-systemd

$(BUILD)/caisson-systemd: $(SYSTEMD_SOURCES) $(wildcard systemd/*.h) $(BUILD)/flags
	$(call say,LD $@)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) $(if $(SANITIZE),-fsanitize=address$(comma)undefined) -o $@ \
		$(SYSTEMD_SOURCES) $(shell $(PKGCONFIG) --cflags --libs libsystemd)
endif

# Compiled again when it is to be installed elsewhere.
$(BUILD)/libexecdir: FORCE
	@mkdir -p $(@D)
	@echo '$(LIBEXECDIR)' | cmp -s - $@ || echo '$(LIBEXECDIR)' >$@

$(BUILD)/obj/runtime/cgroup/systemd.o: $(BUILD)/libexecdir
