# SPDX-License-Identifier: Apache-2.0
#
# The test machine's tools (tests/machine/). They stay in build/ whatever BUILD is: a sanitizer
# build of the program is tested through the same channel.

MACHINE_TOOLS := build/machine/agent build/machine/run

machine-tools: $(MACHINE_TOOLS)

build/machine/run: tests/machine/client.c tests/machine/channel.h
	@mkdir -p $(@D)
	$(CC) -I. -D_GNU_SOURCE -std=gnu17 -g -O2 $(WARNINGS) -static -o $@ $<

build/machine/agent: tests/machine/agent.c tests/machine/channel.h
	@mkdir -p $(@D)
	$(CC) -I. -D_GNU_SOURCE -std=gnu17 -g -O2 $(WARNINGS) -static -o $@ $<

machine-up: all machine-tools
	tests/machine/up --with 1

machine-down:
	tests/machine/down

.PHONY: machine-tools machine-up machine-down
