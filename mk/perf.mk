# homi-perf, the load generator, and the plain io_uring reader that the guest's comparison runs beside it.

PERF_SRC := $(wildcard bench/perf/*.c)
PERF_TESTS := $(patsubst tests/unit/%.c,$(BUILD)/unit/%,$(wildcard tests/unit/test_perf_*.c))

all: $(BUILD)/homi-perf
$(BUILD)/homi-perf: $(call obj,$(PERF_SRC)) $(BUILD)/libhomi.a
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $^ $(LIBS_LIB) -lpthread
$(PERF_TESTS): $(call obj,$(filter-out bench/perf/main.c,$(PERF_SRC)))

# liburing goes in statically: the guest does not have it.
tools: $(BUILD)/tools/uring-read
$(BUILD)/tools/uring-read: $(call obj,bench/uring/uring-read.c)
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $^ -l:liburing.a
