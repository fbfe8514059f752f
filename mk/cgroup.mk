# SPDX-License-Identifier: Apache-2.0
# cpu.shares become cpu.weight through a logarithm (runtime/cgroup/convert.c).
LDLIBS += -lm

# Checks against a real cgroup v2 hierarchy, for root: `core` where it has no controllers, `full`
# where it has all of them (the test machine).
CGROUP_CHECK := $(BUILD)/tests/cgroup/check_cgroup

$(CGROUP_CHECK): $(wildcard tests/cgroup/*.c) $(BUILD)/libcaisson.a
	@mkdir -p $(@D)
	$(call say,LD $@)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS) -o $@ $(filter %.c,$^) $(BUILD)/libcaisson.a $(LDLIBS)

cgroup-check: $(CGROUP_CHECK)

check-tools: cgroup-check

.PHONY: cgroup-check
