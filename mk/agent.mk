# SPDX-License-Identifier: Apache-2.0
# The guest's PID 1 (build/caisson-agent) and the initramfs that holds nothing else (build/guest/agent.cpio).

AGENT_SOURCES := $(filter-out agent/protocol.c,$(wildcard agent/*.c))
AGENT_OBJECTS := $(AGENT_SOURCES:%.c=$(BUILD)/obj/%.o)

all: $(BUILD)/caisson-agent $(BUILD)/guest/agent.cpio

$(BUILD)/caisson-agent: $(AGENT_OBJECTS) $(BUILD)/libcaisson.a
	$(call say,LD $@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $(AGENT_OBJECTS) $(BUILD)/libcaisson.a $(LDLIBS)

# The console is there before any file system is mounted: the kernel opens it for PID 1.
$(BUILD)/guest/agent.cpio: $(BUILD)/caisson-agent mk/make-initramfs
	@mkdir -p $(@D)
	$(Q)mk/make-initramfs $(BUILD)/caisson-agent $@

-include $(AGENT_OBJECTS:.o=.d)
