# homid with places where it ends by itself, for the tests of what outlives it.

UNIT_AUX := $(filter-out tests/unit/crash_points.c,$(UNIT_AUX))
$(BUILD)/unit/homid-crash: $(call obj,$(DAEMON_MAIN) tests/unit/crash_points.c) $(BUILD)/libhomid.a $(BUILD)/libproto.a
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $^ $(LIBS_DAEMON)
$(BUILD)/unit/test_takeover: | $(BUILD)/homid $(BUILD)/unit/homid-crash
