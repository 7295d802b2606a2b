# The hostile tenant: attacks on homid, its SSD and a neighbour (tests/hostile/).

HOSTILE_SRC := $(wildcard tests/hostile/*.c)

tenants: $(BUILD)/tenants/hostile
$(BUILD)/tenants/hostile: $(call obj,$(HOSTILE_SRC) $(TENANT_AUX) $(LIB_SRC)) $(BUILD)/libproto.a
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $^ $(LIBS_LIB) -lpthread

check-hostile: ## Every attack of the hostile tenant on homid with the software SSD, under ASan and UBSan (no root)
	@$(MAKE) --no-print-directory -j$(JOBS) BUILD=$(ASAN) SANITIZE=address,undefined OPT='-O1 -g' all tenants
	@tests/hostile/run.sh $(RESULTS) $(ASAN)
.PHONY: check-hostile

check-hostile-mutations: ## Show that each attack succeeds where its defence is switched off, in a copy of the tree (some 15 minutes; ATTACK= chooses by prefixes)
	@tests/hostile/mutations.sh $(RESULTS) $(ATTACK)
.PHONY: check-hostile-mutations
