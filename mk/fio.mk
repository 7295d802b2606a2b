# fio's engine. It is built against the headers of the fio that is installed, which its source package has and no binary
# package: they are fetched from the machine's own archives when asked for, and never part of the default build.

fio-engine: $(BUILD)/fio-homi.so ## Build fio's engine (needs fio, dpkg-dev and a Debian archive; no root)
.PHONY: fio-engine

$(BUILD)/fio/version: bench/fio/headers.sh
	bench/fio/headers.sh $(BUILD)/fio
	@touch $@

$(BUILD)/fio-homi.so: bench/fio/engine.c $(BUILD)/libhomi.a $(BUILD)/fio/version
	$(call say,CC,$@)
	$(Q)$(CC) -std=gnu11 -O2 -g -D_GNU_SOURCE -fPIC -shared $(filter-out -Wundef -Wshadow,$(WARN)) -Ilib/include \
	  -isystem $(BUILD)/fio/source -include $(BUILD)/fio/source/config-host.h -o $@ $< $(BUILD)/libhomi.a $(LIBS_LIB)

check-fio: $(BUILD)/fio-homi.so $(BUILD)/homid ## Run fio with the engine against the software SSD
	bench/fio/check.sh $(RESULTS) $(BUILD)
.PHONY: check-fio
