# homid with places where it ends by itself, for the tests of what outlives it.

UNIT_AUX := $(filter-out tests/unit/crash_points.c,$(UNIT_AUX))
$(BUILD)/unit/homid-crash: $(call obj,$(DAEMON_MAIN) tests/unit/crash_points.c) $(BUILD)/libhomid.a $(BUILD)/libproto.a
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $^ $(LIBS_DAEMON)
$(BUILD)/unit/test_takeover: | $(BUILD)/homid $(BUILD)/unit/homid-crash

# homid as a later version would be: its state says so. This version can read that of one of them, and not that of the other.
LATER_readable   := -DSTATE_VERSION=1000
LATER_unreadable := -DSTATE_VERSION=1000 -DSTATE_READABLE_BY=1000
LATER_SRC        := daemon/restart/state.c daemon/restart/kept.c
define later
$(BUILD)/later-$(1)/%.o: %.c
	@mkdir -p $$(@D)
	$$(call say,CC,$$@)
	$$(Q)$$(CC) $$(CPPFLAGS) $$(CFLAGS_PKGS) $$(CFLAGS_ALL) $$(LATER_$(1)) -c -o $$@ $$<
$(BUILD)/unit/homid-$(1): $(call obj,$(DAEMON_MAIN)) $(LATER_SRC:%.c=$(BUILD)/later-$(1)/%.o) $(BUILD)/libhomid.a $(BUILD)/libproto.a
	@mkdir -p $$(@D)
	$$(call say,LD,$$@)
	$$(Q)$$(CC) $$(LDFLAGS_ALL) -o $$@ $$^ $$(LIBS_DAEMON)
$(BUILD)/unit/test_takeover: | $(BUILD)/unit/homid-$(1)
-include $(LATER_SRC:%.c=$(BUILD)/later-$(1)/%.d)
endef
$(eval $(call later,readable))
$(eval $(call later,unreadable))
