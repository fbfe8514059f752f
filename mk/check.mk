# SPDX-License-Identifier: Apache-2.0
#
# make check               everything: unit tests, bats on this host and in the test machine (root);
#                          builds the guest kernel first (5 to 10 minutes, once: it is cached)
# make check-unit          unit tests only
# make check-host          bats on this host, in namespaces of their own
# make check-machine       bats in the test machine
# make check FILES=...     these bats files only
# make check SANITIZE=1    the same with the sanitizer build of the program
# make check-vm            bats in the test machine with each container in a virtual machine (needs
#                          'make guest-kernel'; FILES=... for some of them)

CHECK = BUILD=$(BUILD) CAISSON=$(CAISSON) ISOLATION=$(ISOLATION) FILES="$(FILES)" \
	tests/check
CAISSON ?= $(abspath $(BUILD)/caisson)
ISOLATION ?= namespace

# What is written down and what is installed.
DOCUMENT_CHECKS = 'docs=make -s check-docs' 'install=make -s check-install'

check-tools: all machine-tools test-tools

check: check-tools guest-kernel $(UNIT_TESTS)
	+@$(CHECK) unit $(DOCUMENT_CHECKS) host machine

check-unit: $(UNIT_TESTS)
	+@$(CHECK) unit

check-host: check-tools
	+@$(CHECK) host

check-machine: check-tools
	+@$(CHECK) machine

# Each guest boots under emulation: about 5 s for one of some 200 tests.
check-vm: check-tools guest-kernel
	+@ISOLATION=vm CAISSON=$(CAISSON) BUILD=$(BUILD) FILES="$(or $(FILES),$(VM_FILES))" tests/check machine

# The files that say something about a virtual machine's container.
VM_FILES = $(filter-out %/cgroups.bats %/podman.bats %/containerd.bats %/rootless.bats \
	%/wrong-configs.bats %/vm-boot.bats %/resources.bats,$(wildcard tests/bats/*.bats))

.PHONY: check check-tools check-unit check-host check-machine check-vm

# What .ci/run calls: `check`, and each lint as one test.
ci: check-tools guest-kernel $(UNIT_TESTS)
	+@$(CHECK) 'format=make -s format-check' 'cppcheck=make -s cppcheck' \
		'clang=make -s CC=clang BUILD=build-clang' unit $(DOCUMENT_CHECKS) host machine

.PHONY: ci
