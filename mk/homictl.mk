# homictl's own tests link its sources beside what every unit test gets, and run the program that is built with them.

HOMICTL_TESTS := $(patsubst tests/unit/%.c,$(BUILD)/unit/%,$(filter tests/unit/test_table.c tests/unit/test_homictl%.c,$(UNIT_SRC)))
$(HOMICTL_TESTS): $(call obj,$(filter-out homictl/main.c,$(HOMICTL_SRC))) | $(BUILD)/homictl
