# SPDX-License-Identifier: Apache-2.0
# make bench: caisson, crun, runc and a floor in one run; writes build/bench.json and bench.svg. Then
# virtual machines against QEMU and runc (make bench-vm), unless BENCH_ARGS chooses rows.

BENCH_TOOLS := $(BUILD)/bench/floor $(BUILD)/bench/measure $(BUILD)/bench/payload
BENCH_ARGS ?=

bench: $(BUILD)/caisson $(BENCH_TOOLS) machine-tools
	/usr/bin/python3 tests/bench/bench --build $(BUILD) $(BENCH_ARGS)
	+@test -n "$(BENCH_ARGS)" || $(MAKE) -s bench-vm

bench-tools: $(BENCH_TOOLS)

$(BUILD)/bench/floor $(BUILD)/bench/measure: $(BUILD)/bench/%: tests/bench/%.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) -std=gnu17 -O2 $(WARNINGS) -static -o $@ $<

$(BUILD)/bench/payload: tests/bench/payload.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) -std=gnu17 -O2 $(WARNINGS) -fno-stack-protector -static -nostdlib -o $@ $<

.PHONY: bench bench-tools
