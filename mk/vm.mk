# SPDX-License-Identifier: Apache-2.0
#
# What the tests of the monitor need beside the program: first programs for guests, packed (one that
# says what the guest has, one that plays a broken agent), and a program that changes a machine while
# its guest runs.

VM_TEST_TOOLS := build/vm/guest.cpio build/vm/grow build/vm/memory build/vm/snapshot build/vm/hostile build/vm/wrong-agent.cpio build/vm/tools.ext4

vm-test-tools: $(VM_TEST_TOOLS)

# A kernel of its own, without a processor's extensions and without a library.
HOSTILE_FLAGS := -std=gnu17 -Os -g $(WARNINGS) -Wno-main -Wno-missing-prototypes -ffreestanding \
	-fno-pic -no-pie -mno-red-zone -mgeneral-regs-only -fno-stack-protector -fcf-protection=none \
	-fno-asynchronous-unwind-tables -nostdlib -static -Wl,--build-id=none -Wl,-z,noexecstack \
	-Wl,-Ttext=0x11a35000 -Wl,--section-start=.report=0x11c00000
build/vm/hostile: tests/vm/hostile.c tests/vm/hostile.h
	@mkdir -p $(@D)
	$(CC) -I. -D_GNU_SOURCE $(HOSTILE_FLAGS) -o $@ $<

$(BUILD)/tests/test_vm_hostile_guest: build/vm/hostile

# A root file system for guests that build a program or talk over vsock.
GUEST_TOOLS := $(wildcard /usr/bin/make /usr/bin/tcc /bin/busybox)
build/vm/tools.ext4: build/bench/stream tests/bench/guest-io tests/bench/make-guest-tools $(GUEST_TOOLS)
	tests/bench/make-guest-tools $@ build/bench/stream tests/bench/guest-io $(GUEST_TOOLS)

build/vm/guest: tests/vm/guest.c
	@mkdir -p $(@D)
	$(CC) -D_GNU_SOURCE -std=gnu17 -O2 $(WARNINGS) -static -o $@ $<

build/vm/guest.cpio: build/vm/guest mk/make-initramfs
	mk/make-initramfs $< $@

build/vm/wrong-agent: tests/vm/wrong_agent.c $(BUILD)/libcaisson.a
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS) -o $@ $< $(BUILD)/libcaisson.a $(LDLIBS)

build/vm/wrong-agent.cpio: build/vm/wrong-agent mk/make-initramfs
	mk/make-initramfs $< $@

build/vm/grow build/vm/memory build/vm/snapshot: build/vm/%: tests/vm/%.c $(BUILD)/libcaisson.a
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS) -o $@ $< $(BUILD)/libcaisson.a $(LDLIBS)

.PHONY: vm-test-tools

# make bench-vm   counts and ratios of booting a guest, and of its I/O (root; boots the test machine)
build/bench/count_instructions.so: tests/bench/count_instructions.c
	@mkdir -p $(@D)
	$(CC) -D_GNU_SOURCE -std=gnu17 -O2 $(WARNINGS) -shared -fPIC -o $@ $<

bench-vm: all machine-tools vm-test-tools guest-kernel build/bench/count_instructions.so bench-vm-io
	tests/bench/vm

# make bench-vm-io [BENCH_IO_ARGS="ROUNDS KIND..."]   of it, only what devices do (fio net vsock)
BENCH_IO_ARGS ?=
bench-vm-io: all machine-tools vm-test-tools guest-kernel build/bench/stream
	tests/bench/vm-io $(BENCH_IO_ARGS)

build/bench/stream: tests/bench/stream.c
	@mkdir -p $(@D)
	$(CC) -D_GNU_SOURCE -std=gnu17 -O2 $(WARNINGS) -static -o $@ $<

.PHONY: bench-vm bench-vm-io
