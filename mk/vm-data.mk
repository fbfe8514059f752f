# SPDX-License-Identifier: Apache-2.0
# Where the guest's kernel and the agent's initramfs lie once installed.
DATADIR ?= $(PREFIX)/lib/caisson
$(BUILD)/obj/runtime/vm/isolation.o: CPPFLAGS += -DCAISSON_DATADIR='"$(DATADIR)"'
