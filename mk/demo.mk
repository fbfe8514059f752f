# SPDX-License-Identifier: Apache-2.0

# sudo make demo: installs what is missing, builds, runs a container, tells what happened.
demo: deps
	@$(MAKE) -s all
	@mk/demo $(abspath $(BUILD)/caisson)

.PHONY: demo
