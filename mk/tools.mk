# Programs of the tests that look inside the daemon, one file each in tests/tools.

TOOLS := $(patsubst tests/tools/%.c,$(BUILD)/tools/%,$(wildcard tests/tools/*.c))
tools: $(TOOLS)
.PHONY: tools
$(BUILD)/tools/%: $(BUILD)/obj/tests/tools/%.o $(BUILD)/libhomid.a $(BUILD)/libproto.a
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $^ $(LIBS_DAEMON)
