# SPDX-License-Identifier: Apache-2.0
#
# The small programs that the tests use inside and beside containers (tests/tools/), static.

TOOL_SOURCES := $(wildcard tests/tools/*.c)

test-tools: build/tests/tool build/tests/posix

build/tests/tool: $(TOOL_SOURCES) tests/tools/tool.h
	@mkdir -p $(@D)
	$(CC) -I. -D_GNU_SOURCE -std=gnu17 -g -O2 $(WARNINGS) -static -o $@ $(TOOL_SOURCES)

# What programs may rely on in a file system (tests/posix/), for posix.bats.
POSIX_SOURCES := $(wildcard tests/posix/*.c)

build/tests/posix: $(POSIX_SOURCES) tests/posix/posix.h
	@mkdir -p $(@D)
	$(CC) -I. -D_GNU_SOURCE -std=gnu17 -g -O2 $(WARNINGS) -static -o $@ $(POSIX_SOURCES)

.PHONY: test-tools
