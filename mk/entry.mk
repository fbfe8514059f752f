# SPDX-License-Identifier: Apache-2.0
# cmd/entry.c runs before the C library: no stack protector (thread-local), no call of memset() and
# the like that a compiler would make of a loop, no constants in vector registers.
$(BUILD)/obj/cmd/entry.o: private CFLAGS += -fno-stack-protector -ffreestanding -fno-builtin \
	-fcf-protection=none -mgeneral-regs-only

ifeq ($(SANITIZE)$(filter x86_64%,$(shell $(CC) -dumpmachine)),$(shell $(CC) -dumpmachine))
$(BUILD)/caisson: private LDFLAGS += -Wl,-e,caisson_entry
endif
