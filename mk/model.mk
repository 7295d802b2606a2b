# The conformance list is a fixture of the software SSD's unit test, and stands apart because other devices run it too.

CONFORMANCE_SRC := $(filter-out tests/conformance/main.c,$(wildcard tests/conformance/*.c))
UNIT_AUX += $(CONFORMANCE_SRC)
# Runs homid as it was built.
$(BUILD)/unit/test_model_tenants: | $(BUILD)/homid
$(BUILD)/unit/test_conformance_program: | $(BUILD)/homi-conformance
# The same, by the benchmarks' means.
$(BUILD)/unit/test_model_sweep: $(call obj,bench/control/rig.c bench/control/wire.c) | $(BUILD)/homid

all: $(BUILD)/homi-conformance
$(BUILD)/homi-conformance: $(call obj,tests/conformance/main.c $(CONFORMANCE_SRC)) $(BUILD)/libhomid.a $(BUILD)/libproto.a
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $^ $(LIBS_DAEMON)

MUTATIONS := build/mutations
check-mutations: ## Show that each conformance case fails without its rule (no root; some 3 minutes)
	@$(MAKE) --no-print-directory -j$(JOBS) BUILD=$(MUTATIONS) CFLAGS=-DHOMI_MODEL_RULES $(MUTATIONS)/homi-conformance
	@mkdir -p $(RESULTS)
	$(MUTATIONS)/homi-conformance --mutate | tee $(RESULTS)/mutations
	@grep -q ', 0 failed' $(RESULTS)/mutations
.PHONY: check-mutations
