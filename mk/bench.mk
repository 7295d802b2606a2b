# Benchmarks. The data path's is compiled for this machine; the instruction counts that `make check` holds the hot path
# to are taken from a plain build, which any machine of the architecture repeats.

BENCH_DATAPATH := $(addprefix bench/datapath/,bench.c device.c driver_none.c driver_least.c driver_floor.c driver_homi.c \
                  step.c) lib/prp.c
BENCH_CFLAGS   := -std=c11 $(WARN) -D_GNU_SOURCE -I. -Ilib/include -MMD -MP
BENCH_NATIVE   ?= -O3 -march=native

$(BUILD)/bench/native/%.o: %.c
	@mkdir -p $(@D)
	$(call say,CC,$@)
	$(Q)$(CC) $(BENCH_CFLAGS) $(BENCH_NATIVE) -c -o $@ $<
$(BUILD)/bench/plain/%.o: %.c
	@mkdir -p $(@D)
	$(call say,CC,$@)
	$(Q)$(CC) $(BENCH_CFLAGS) -O2 -c -o $@ $<

$(BUILD)/bench/datapath: $(patsubst %.c,$(BUILD)/bench/native/%.o,$(BENCH_DATAPATH) bench/datapath/measure.c bench/datapath/datapath.c)
	$(call say,LD,$@)
	$(Q)$(CC) -o $@ $^
$(BUILD)/bench/instructions: $(patsubst %.c,$(BUILD)/bench/plain/%.o,$(BENCH_DATAPATH) bench/datapath/instructions.c)
	$(call say,LD,$@)
	$(Q)$(CC) -o $@ $^

bench-datapath: $(BUILD)/bench/datapath ## Measure the data path against its floors, into build/bench/datapath.json
	$< --json $(BUILD)/bench/datapath.json
.PHONY: bench-datapath

# The control path's run homid as it was built, with the software SSD.
BENCH_CONTROL := $(call obj,$(addprefix bench/control/,rig.c wire.c figures.c))
$(BUILD)/bench/control: $(call obj,bench/control/control.c bench/control/echo.c) $(BENCH_CONTROL) | $(BUILD)/homid
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $^

bench-control: $(BUILD)/bench/control ## Measure homid's calls beside a raw epoll echo, into build/bench/control.json
	$< --json $(BUILD)/bench/control.json
.PHONY: bench-control

$(BUILD)/bench/scale: $(call obj,bench/control/scale.c) $(BENCH_CONTROL) $(BUILD)/libhomi.a | $(BUILD)/homid
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $^ $(LIBS_LIB)

bench-scale: $(BUILD)/bench/scale ## Measure homid with 1,024 tenants' processes, into build/bench/scale.json
	$< --json $(BUILD)/bench/scale.json
.PHONY: bench-scale

bench-relay: all tenants ## Measure the doorbell relay beside direct delegation, into build/bench/relay.json (jq)
	bench/relay.sh $(BUILD) $(BUILD)/bench/relay.json
.PHONY: bench-relay

bench: bench-datapath bench-control bench-scale bench-relay ## Run the benchmarks that need no device and no root
.PHONY: bench

bench-report: ## Draw the figures of the last bench-datapath into build/bench/report.html (gnuplot)
	bench/report.sh $(BUILD)/bench/datapath.json $(BUILD)/bench/report.html
.PHONY: bench-report

check-instructions: $(BUILD)/bench/instructions ## Fail when the hot path grew by more than 3 instructions per I/O
	@mkdir -p $(RESULTS)
	bench/check-instructions.sh $(RESULTS) $< bench/datapath/instructions.txt
.PHONY: check-instructions

-include $(shell find $(BUILD)/bench -name '*.d' 2>/dev/null)
