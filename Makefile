# SPDX-License-Identifier: Apache-2.0
#
# make                build/caisson and its helper programs
# make check          all tests (root; boots a test machine)
# make demo           install what is needed, build, run a container (make demo-vm: in a test machine)
# make bench          compare with crun, runc and a floor
# make install        DESTDIR= PREFIX=
#
# SANITIZE=1 builds with AddressSanitizer and UBSan (in build-sanitize/), CC=clang works too.

VERSION := 0.1.0
COMMIT := $(shell git rev-parse --short=12 HEAD 2>/dev/null || echo unknown)

PREFIX ?= /usr/local
BUILD ?= build$(if $(SANITIZE),-sanitize)
PKGCONFIG ?= pkg-config

WARNINGS := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wundef \
	-Wpointer-arith -Wvla -Wwrite-strings
OPTIMIZE ?= $(if $(SANITIZE),-O1 -fno-omit-frame-pointer -fsanitize=address$(comma)undefined -fno-sanitize-recover=undefined,-O2)
comma := ,
# gnu17 predefines `linux`, which is a field of config.json.
CPPFLAGS += -I. -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -Ulinux
CFLAGS += -std=gnu17 -g $(OPTIMIZE) $(WARNINGS) -fstack-protector-strong -ffunction-sections \
	-fdata-sections
LDFLAGS += $(if $(SANITIZE),-fsanitize=address$(comma)undefined,-static -Wl$(comma)--gc-sections)
# yajl's pkg-config file names only the shared library.
LDLIBS := $(if $(SANITIZE),-lyajl,-lyajl_s) -lseccomp -lcap

# A file added to one of these folders is part of the program.
LIBRARY_DIRS := lib config runtime runtime/ns runtime/cgroup $(sort $(shell find runtime/vm -type d))
LIBRARY_SOURCES := $(wildcard $(addsuffix /*.c,$(LIBRARY_DIRS))) agent/protocol.c
PROGRAM_SOURCES := $(wildcard cmd/*.c)
LIBRARY_OBJECTS := $(LIBRARY_SOURCES:%.c=$(BUILD)/obj/%.o)
PROGRAM_OBJECTS := $(PROGRAM_SOURCES:%.c=$(BUILD)/obj/%.o)
UNIT_TESTS := $(patsubst tests/unit/%.c,$(BUILD)/tests/%,$(wildcard tests/unit/test_*.c))

# V=1 shows every command.
Q := $(if $(V),,@)
say = $(if $(V),,@echo '  $(1)')

all: $(BUILD)/caisson

# Parts with rules of their own: one file a subject.
-include $(sort $(wildcard mk/*.mk))

$(BUILD)/caisson: $(PROGRAM_OBJECTS) $(BUILD)/libcaisson.a
	$(call say,LD $@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $(PROGRAM_OBJECTS) $(BUILD)/libcaisson.a $(LDLIBS)

$(BUILD)/libcaisson.a: $(LIBRARY_OBJECTS) $(BUILD)/objects
	@rm -f $@
	$(Q)$(AR) rcs $@ $(LIBRARY_OBJECTS)

# A file that is added or taken away changes the archive too.
$(BUILD)/objects: FORCE
	@mkdir -p $(@D)
	@echo '$(LIBRARY_OBJECTS)' | cmp -s - $@ || echo '$(LIBRARY_OBJECTS)' >$@

$(BUILD)/obj/%.o: %.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(call say,CC $<)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

# The version is compiled into one file, so that a commit does not rebuild everything.
$(BUILD)/version: FORCE
	@mkdir -p $(@D)
	@echo '$(VERSION) $(COMMIT)' | cmp -s - $@ || echo '$(VERSION) $(COMMIT)' >$@
$(BUILD)/obj/cmd/version.o: $(BUILD)/version
$(BUILD)/obj/cmd/version.o: CPPFLAGS += -DCAISSON_VERSION='"$(VERSION)"' -DCAISSON_COMMIT='"$(COMMIT)"'

# Everything is rebuilt when the compiler or its flags change.
$(BUILD)/flags: FORCE
	@mkdir -p $(@D)
	@echo '$(CC) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS)' | cmp -s - $@ || \
		echo '$(CC) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS)' >$@

$(BUILD)/tests/%: tests/unit/%.c $(BUILD)/libcaisson.a
	@mkdir -p $(@D)
	$(call say,LD $@)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP $(if $(SANITIZE),-fsanitize=address$(comma)undefined) -o $@ $< \
		$(BUILD)/libcaisson.a $(LDLIBS) -lcmocka

unit: $(UNIT_TESTS)
	@for t in $(UNIT_TESTS); do echo "== $$t"; $$t || exit 1; done

SOURCES := $(shell git ls-files '*.c' '*.h' 2>/dev/null)

format:
	clang-format -i $(SOURCES)

format-check:
	clang-format --dry-run --Werror $(SOURCES)

clean:
	rm -rf $(BUILD)

FORCE:
.PHONY: all unit format format-check clean FORCE
.SECONDARY:
.DELETE_ON_ERROR:

-include $(LIBRARY_OBJECTS:.o=.d) $(PROGRAM_OBJECTS:.o=.d) $(UNIT_TESTS:=.d)
