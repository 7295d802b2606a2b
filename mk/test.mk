# Tests. Every suite ends with a line "N passed, N failed" and leaves it in $(RESULTS)/SUITE, which `make check` adds up.

RESULTS := build/results
ASAN    := build/asan

UNIT_TESTS := $(patsubst tests/unit/%.c,$(BUILD)/unit/%,$(UNIT_SRC))
unit-tests: $(UNIT_TESTS)
.PHONY: unit-tests
# An archive, so that a test takes the fixtures that it uses and may put its own code in place of the others'.
$(BUILD)/libunit.a: $(call obj,$(UNIT_AUX))
	@rm -f $@
	$(call say,AR,$@)
	$(Q)$(AR) rcs $@ $^
$(BUILD)/unit/%: $(BUILD)/obj/tests/unit/%.o $(BUILD)/libunit.a $(call obj,$(LIB_SRC)) $(BUILD)/libhomid.a $(BUILD)/libproto.a
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $^ $(LIBS_TEST)

check-unit: ## Unit and protocol tests under ASan and UBSan (no root; some two minutes, most of them building)
	@$(MAKE) --no-print-directory -j$(JOBS) BUILD=$(ASAN) SANITIZE=address,undefined OPT='-O1 -g' all unit-tests
	@tests/lib/run-unit.sh $(RESULTS) $(ASAN)/unit
.PHONY: check-unit

check-operator: ## homictl and its completion against a homid with the software SSD, under ASan (no root)
	@$(MAKE) --no-print-directory -j$(JOBS) BUILD=$(ASAN) SANITIZE=address,undefined OPT='-O1 -g' all
	@tests/operator/run.sh $(RESULTS) $(ASAN)
.PHONY: check-operator

# The long variants, for a night or a release: more seeds, and what is too slow to run with every change.
SEEDS ?= 1000
check-long: ## Random sequences of the core for SEEDS=1000 seeds, check-mutations, check-valgrind and check-tsan
	@$(MAKE) --no-print-directory -j$(JOBS) BUILD=$(ASAN) SANITIZE=address,undefined OPT='-O1 -g' unit-tests
	HOMI_SEEDS=$(SEEDS) $(ASAN)/unit/test_core_property
	@$(MAKE) --no-print-directory check-mutations check-valgrind check-tsan
.PHONY: check-long

check-valgrind: ## The unit tests under valgrind (no root, some minutes)
	@$(MAKE) --no-print-directory -j$(JOBS) all unit-tests
	@tests/lib/check-valgrind.sh $(RESULTS) $(BUILD)/unit
.PHONY: check-valgrind

# The rings are shared with other processes and devices, for whom the fences are; the sanitizer sees threads alone.
TSAN := build/tsan
check-tsan: ## The programs that have threads under ThreadSanitizer (no root, some minutes)
	@$(MAKE) --no-print-directory -j$(JOBS) BUILD=$(TSAN) SANITIZE=thread OPT='-O1 -g' CFLAGS=-Wno-tsan all unit-tests
	@tests/lib/check-tsan.sh $(RESULTS) $(TSAN)
.PHONY: check-tsan

lint: ## Formatting, include directions, sizes, shell scripts, man pages, headers that compile alone, clang
	@tests/lint/run.sh $(RESULTS)
.PHONY: lint
