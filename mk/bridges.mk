# Programs of others on a lease. They are built against headers that the user has, and are never part of the default build.

$(BUILD)/bridges/upcie: tests/bridges/upcie.c $(BUILD)/libhomi.a
	@mkdir -p $(@D)
	@[ -f "$(UPCIE)/upcie/upcie.h" ] || { echo 'make: UPCIE must name the folder of upcie/upcie.h' >&2; exit 1; }
	$(call say,CC,$@)
	$(Q)$(CC) -std=gnu11 -O2 -g -D_GNU_SOURCE $(WARN) -I. -Ilib/include -isystem $(UPCIE) -o $@ $< $(BUILD)/libhomi.a $(LIBS_LIB)

check-upcie: $(BUILD)/bridges/upcie $(BUILD)/homid ## Run uPCIe on a lease of the software SSD (UPCIE=DIRECTORY of its headers)
	tests/bridges/check.sh $(RESULTS) $(BUILD)
.PHONY: check-upcie
