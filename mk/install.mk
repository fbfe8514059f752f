# SPDX-License-Identifier: Apache-2.0
#
# make install DESTDIR= PREFIX=     program, helper programs, manual page, completions
# make uninstall DESTDIR= PREFIX=
# The guest's kernel is installed where there is one: make guest-kernel.
# make check-install                installs into a temporary directory, looks, uninstalls
# make check-docs                    compares manual page and completions with --help

BINDIR ?= $(PREFIX)/bin
LIBEXECDIR ?= $(PREFIX)/libexec/caisson
DATADIR ?= $(PREFIX)/lib/caisson
MANDIR ?= $(PREFIX)/share/man
BASH_COMPLETION_DIR ?= $(PREFIX)/share/bash-completion/completions
ZSH_COMPLETION_DIR ?= $(PREFIX)/share/zsh/site-functions
FISH_COMPLETION_DIR ?= $(PREFIX)/share/fish/vendor_completions.d
INSTALL ?= install

# Programs that caisson itself executes; the rules that make them add to this.
HELPERS ?=

install: all
	$(INSTALL) -d $(DESTDIR)$(BINDIR) $(DESTDIR)$(MANDIR)/man8 $(DESTDIR)$(BASH_COMPLETION_DIR) \
		$(DESTDIR)$(ZSH_COMPLETION_DIR) $(DESTDIR)$(FISH_COMPLETION_DIR)
	$(INSTALL) -m 755 $(BUILD)/caisson $(DESTDIR)$(BINDIR)/caisson
	$(if $(strip $(HELPERS)),$(INSTALL) -d $(DESTDIR)$(LIBEXECDIR))
	$(if $(strip $(HELPERS)),$(INSTALL) -m 755 $(HELPERS) $(DESTDIR)$(LIBEXECDIR)/)
	$(INSTALL) -d $(DESTDIR)$(DATADIR)
	$(INSTALL) -m 644 $(BUILD)/guest/agent.cpio $(DESTDIR)$(DATADIR)/agent.cpio
	if test -e $(BUILD)/guest/vmlinux; then \
		$(INSTALL) -m 644 $(BUILD)/guest/vmlinux $(DESTDIR)$(DATADIR)/vmlinux; fi
	$(INSTALL) -m 644 docs/caisson.8 $(DESTDIR)$(MANDIR)/man8/caisson.8
	$(INSTALL) -m 644 completions/caisson.bash $(DESTDIR)$(BASH_COMPLETION_DIR)/caisson
	$(INSTALL) -m 644 completions/_caisson $(DESTDIR)$(ZSH_COMPLETION_DIR)/_caisson
	$(INSTALL) -m 644 completions/caisson.fish $(DESTDIR)$(FISH_COMPLETION_DIR)/caisson.fish

uninstall:
	rm -f $(DESTDIR)$(BINDIR)/caisson $(DESTDIR)$(MANDIR)/man8/caisson.8 \
		$(DESTDIR)$(BASH_COMPLETION_DIR)/caisson $(DESTDIR)$(ZSH_COMPLETION_DIR)/_caisson \
		$(DESTDIR)$(FISH_COMPLETION_DIR)/caisson.fish
	rm -rf $(DESTDIR)$(LIBEXECDIR) $(DESTDIR)$(DATADIR)

check-install: all
	tests/check-install $(BUILD)

.PHONY: install uninstall check-install

# Where the program looks for its helpers, the guest's kernel and agent. It is compiled in: another
# PREFIX compiles these files anew.
PATH_OBJECTS := $(addprefix $(BUILD)/obj/,runtime/vm/kernel/choice.o \
	runtime/cgroup/systemd.o)

$(PATH_OBJECTS): CPPFLAGS += -DCAISSON_DATADIR='"$(DATADIR)"' -DCAISSON_LIBEXECDIR='"$(LIBEXECDIR)"'
$(PATH_OBJECTS): $(BUILD)/paths

$(BUILD)/paths: FORCE
	@mkdir -p $(@D)
	@echo '$(DATADIR) $(LIBEXECDIR)' | cmp -s - $@ || echo '$(DATADIR) $(LIBEXECDIR)' >$@

# The manual page and the completions name the options that the program has.
check-docs: all
	tests/check-docs $(BUILD)/caisson

.PHONY: check-docs
