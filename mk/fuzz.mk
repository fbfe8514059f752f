# SPDX-License-Identifier: Apache-2.0
#
# make fuzz           every tests/fuzz/fuzz_NAME.c for FUZZ_SECONDS each, from tests/fuzz/corpus/NAME
# make fuzz-build     only build them (in build-fuzz/)
# make fuzz-NAME      one of them
#
# What is found lies in build-fuzz/crashes/NAME-*; run build-fuzz/fuzz_NAME on the file to see it
# again. New inputs are kept in build-fuzz/corpus/NAME and used by the next run.

FUZZ_SECONDS ?= 600
FUZZ_BUILD := build-fuzz
FUZZ_CC ?= clang
FUZZ_FLAGS := -O1 -fno-omit-frame-pointer -fsanitize=address,undefined \
	-fno-sanitize-recover=undefined
FUZZ_NAMES := $(patsubst tests/fuzz/fuzz_%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
FUZZ_TARGETS := $(FUZZ_NAMES:%=$(FUZZ_BUILD)/fuzz_%)

# The library, instrumented: the Makefile's own rules with another compiler, folder and flags.
# Warnings are the ordinary build's concern.
fuzz-library:
	@$(MAKE) --no-print-directory CC=$(FUZZ_CC) BUILD=$(FUZZ_BUILD) SANITIZE= WARNINGS= \
		OPTIMIZE='$(FUZZ_FLAGS) -fsanitize=fuzzer-no-link' $(FUZZ_BUILD)/libcaisson.a

$(FUZZ_TARGETS): $(FUZZ_BUILD)/fuzz_%: tests/fuzz/fuzz_%.c fuzz-library
	$(FUZZ_CC) $(CPPFLAGS) -std=gnu17 -g $(WARNINGS) $(FUZZ_FLAGS) -fsanitize=fuzzer -o $@ $< \
		$(FUZZ_BUILD)/libcaisson.a -lyajl -lseccomp -lcap -lm

fuzz-build: $(FUZZ_TARGETS)

$(FUZZ_NAMES:%=fuzz-%): fuzz-%: $(FUZZ_BUILD)/fuzz_%
	@mkdir -p $(FUZZ_BUILD)/corpus/$* $(FUZZ_BUILD)/crashes tests/fuzz/corpus/$*
	$(FUZZ_BUILD)/fuzz_$* -max_total_time=$(FUZZ_SECONDS) -timeout=10 -rss_limit_mb=2048 \
		-print_final_stats=1 -artifact_prefix=$(FUZZ_BUILD)/crashes/$*- \
		$(if $(wildcard tests/fuzz/$*.dict),-dict=tests/fuzz/$*.dict) \
		$(FUZZ_BUILD)/corpus/$* tests/fuzz/corpus/$*

# One after the other: a job is a whole processor.
fuzz: $(FUZZ_TARGETS)
	@for name in $(FUZZ_NAMES); do \
		$(MAKE) --no-print-directory fuzz-$$name || exit 1; \
	done

.PHONY: fuzz fuzz-build fuzz-library $(FUZZ_NAMES:%=fuzz-%)
