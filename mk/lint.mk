# SPDX-License-Identifier: Apache-2.0


lint: format-check cppcheck clang-tidy

# missingInclude: system headers are not read. The rest is what cppcheck cannot know.
cppcheck:
	cppcheck --quiet --error-exitcode=1 --std=c11 --enable=warning,portability --inline-suppr \
		-j 2 -I . -D_GNU_SOURCE -Ulinux --suppressions-list=mk/cppcheck.txt \
		$(shell git ls-files "*.c")

# What the rules of single files define.
TIDY_DEFINES := -DCAISSON_VERSION=\"\" -DCAISSON_COMMIT=\"\"

# Several files a process, two processes; the checks are in .clang-tidy.
clang-tidy:
	@mkdir -p build
	@git ls-files '*.c' | xargs -P 2 -n 4 sh -c 'clang-tidy --quiet --warnings-as-errors="*" \
		"$$@" -- $(CPPFLAGS) -std=gnu17 $(TIDY_DEFINES)' sh >build/clang-tidy.log 2>&1 || true
	@sed '/warnings\? generated/d; /^Suppressed/d; /^Use -header-filter/d' build/clang-tidy.log
	@! grep -q 'error:' build/clang-tidy.log

.PHONY: lint cppcheck clang-tidy
