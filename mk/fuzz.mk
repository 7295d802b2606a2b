# Fuzzing. A target is tests/fuzz/fuzz_NAME.c; its corpus, tests/fuzz/corpus/NAME, is tried by every check-unit with the
# replaying main, and grown by check-fuzz with libFuzzer's.

FUZZ_SRC     := $(wildcard tests/fuzz/fuzz_*.c)
FUZZ_NAMES   := $(patsubst tests/fuzz/fuzz_%.c,%,$(FUZZ_SRC))
FUZZ_AUX     := tests/fuzz/input.c tests/fuzz/assertions.c
FUZZ_REPLAYS := $(patsubst %,$(BUILD)/fuzz/replay_%,$(FUZZ_NAMES))
FUZZ_TARGETS := $(patsubst %,$(BUILD)/fuzz/fuzz_%,$(FUZZ_NAMES))
FUZZ_BUILD   := build/fuzz
# Seconds for each target, and which.
TIME         ?= 60
FUZZ         ?= $(FUZZ_NAMES)

# Whose calls the target answers itself.
fuzz_wrapped_identify := nvme_identify sysfs_find sysfs_read_number
fuzz_wrap = $(patsubst %,-Wl$(,)--wrap=%,$(fuzz_wrapped_$(1)))
, := ,

$(BUILD)/fuzz/replay_%: $(BUILD)/obj/tests/fuzz/fuzz_%.o $(call obj,$(FUZZ_AUX) tests/fuzz/replay.c) $(BUILD)/libunit.a $(call obj,$(LIB_SRC)) $(BUILD)/libhomid.a $(BUILD)/libproto.a
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS_ALL) $(call fuzz_wrap,$*) -o $@ $^ $(LIBS_DAEMON)
$(BUILD)/fuzz/fuzz_%: $(BUILD)/obj/tests/fuzz/fuzz_%.o $(call obj,$(FUZZ_AUX)) $(BUILD)/libunit.a $(call obj,$(LIB_SRC)) $(BUILD)/libhomid.a $(BUILD)/libproto.a
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS_ALL) -fsanitize=fuzzer $(call fuzz_wrap,$*) -o $@ $^ $(LIBS_DAEMON)

fuzz-replays: $(FUZZ_REPLAYS)
fuzz-targets: $(FUZZ_TARGETS)
.PHONY: fuzz-replays fuzz-targets

check-fuzz: ## Fuzz each target for TIME= seconds (FUZZ= chooses targets; clang)
	@$(MAKE) --no-print-directory -j$(JOBS) CC=clang BUILD=$(FUZZ_BUILD) SANITIZE=fuzzer-no-link,address,undefined OPT='-O1 -g' fuzz-targets
	@tests/fuzz/run.sh $(RESULTS) $(FUZZ_BUILD)/fuzz $(TIME) $(FUZZ)
.PHONY: check-fuzz

# Runs the replaying programs on the corpora.
$(BUILD)/unit/test_fuzz_corpus: | $(FUZZ_REPLAYS)
