# The guest (tests/vm/) and what needs root: packages, all tests together, the demonstration.

deps: ## Install the packages that building and testing need (Debian, root)
	tests/lib/install-deps.sh
.PHONY: deps

check: ## Run every test, packages included (Debian, root; some 16 minutes on 2 cores)
	@tests/lib/check.sh $(RESULTS)
.PHONY: check

check-vm: ## The real kernel path in a QEMU guest (root; HOMI_VM_CASES chooses cases)
	tests/vm/run.sh
.PHONY: check-vm

demo: ## Three I/O paths at once on one emulated SR-IOV SSD, then a table (Debian, root; under 3 minutes)
	@tests/vm/demo.sh
.PHONY: demo
