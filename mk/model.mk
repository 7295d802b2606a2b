# The conformance list is a fixture of the software SSD's unit test, and stands apart because other devices run it too.

UNIT_AUX += $(wildcard tests/conformance/*.c)
# Runs homid as it was built.
$(BUILD)/unit/test_model_tenants: | $(BUILD)/homid
