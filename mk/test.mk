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

check-unit: ## Unit and protocol tests under ASan and UBSan (no root, under a minute)
	@$(MAKE) --no-print-directory -j$(JOBS) BUILD=$(ASAN) SANITIZE=address,undefined OPT='-O1 -g' all unit-tests
	@tests/lib/run-unit.sh $(RESULTS) $(ASAN)/unit
.PHONY: check-unit

check-operator: ## homictl and its completion against a homid with the software SSD, under ASan (no root)
	@$(MAKE) --no-print-directory -j$(JOBS) BUILD=$(ASAN) SANITIZE=address,undefined OPT='-O1 -g' all
	@tests/operator/run.sh $(RESULTS) $(ASAN)
.PHONY: check-operator

lint: ## Formatting, include directions, sizes, shell scripts, man pages, headers that compile alone, clang
	@tests/lint/run.sh $(RESULTS)
.PHONY: lint
