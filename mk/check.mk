# SPDX-License-Identifier: Apache-2.0
#
# make check               everything: unit tests, bats on this host, in the test machine, and there
#                          with containers in virtual machines (root); builds the guest kernel
#                          first (5 to 10 minutes, once: it is cached)
# make check LINT=1        and each lint as one test: what .ci/run calls
# make check-unit          unit tests only
# make check-host          bats on this host, in namespaces of their own
# make check-machine       bats in the test machine
# make check FILES=...     these bats files only
# make check SANITIZE=1    the same with the sanitizer build of the program
# make check-vm            bats in two test machines with each container in a virtual machine
#                          (MACHINES=1: in one)
# make check-vm-ci         the same for the files that `make check` runs

CHECK = BUILD=$(BUILD) CAISSON=$(CAISSON) ISOLATION=$(ISOLATION) FILES="$(FILES)" \
	tests/check
CAISSON ?= $(abspath $(BUILD)/caisson)
ISOLATION ?= namespace

# The source; what is written down and what is installed.
LINTS = 'format=make -s format-check' 'cppcheck=make -s cppcheck' \
	'clang=make -s CC=clang BUILD=build-clang' 'fuzz=make -s fuzz-build'
DOCUMENT_CHECKS = 'docs=make -s check-docs' 'install=make -s check-install'

check-tools: all machine-tools test-tools

check: check-tools guest-kernel $(UNIT_TESTS)
	+@VM_FILES="$(VM_CI_FILES)" $(CHECK) $(if $(LINT),$(LINTS)) unit $(DOCUMENT_CHECKS) \
		host machine vm

check-unit: $(UNIT_TESTS)
	+@$(CHECK) unit

check-host: check-tools
	+@$(CHECK) host

check-machine: check-tools
	+@$(CHECK) machine

# A guest boots for each container, under emulation: two test machines share the files.
check-vm: check-tools guest-kernel
	+@$(CHECK) vm

# What `make check` runs of it: within 12 minutes on two quiet processors.
check-vm-ci: check-tools guest-kernel
	+@VM_FILES="$(VM_CI_FILES)" $(CHECK) vm

# The files that say something about a virtual machine's container.
export VM_FILES ?= $(filter-out $(addprefix tests/bats/,cgroups.bats \
	wrong-configs.bats limits.bats limits-callers.bats), \
	$(wildcard tests/bats/*.bats))
VM_CI_FILES := $(addprefix tests/bats/,vm.bats vm-boot.bats vm-network.bats lifecycle.bats \
	process.bats exec.bats mounts.bats seccomp.bats cve.bats vm-cve.bats vm-life.bats \
	vm-limits.bats vm-root.bats vm-files.bats posix.bats vm-pod.bats \
	vm-distribution.bats)

.PHONY: check check-tools check-unit check-host check-machine check-vm check-vm-ci
