# HOMI: build, test and install. GNU make and pkg-config, nothing generated. `make help` lists the targets.

VERSION   := 0.1.0
SOMAJOR   := 0
BUILD     ?= build
CC        ?= gcc
AR        ?= ar
PREFIX    ?= /usr/local
LIBDIR    ?= $(PREFIX)/lib
SBINDIR   ?= $(PREFIX)/sbin
BINDIR    ?= $(PREFIX)/bin
MANDIR    ?= $(PREFIX)/share/man
SYSCONFDIR ?= /etc
UNITDIR   ?= $(PREFIX)/lib/systemd/system
SYSUSERSDIR ?= $(PREFIX)/lib/sysusers.d
TMPFILESDIR ?= $(PREFIX)/lib/tmpfiles.d
CATALOGDIR  ?= $(PREFIX)/lib/systemd/catalog

# V=1 shows every command.
V         ?=
Q         := $(if $(V),,@)
say        = @$(if $(V),:,printf '  %-4s %s\n' $(1) $(2))
JOBS      ?= $(shell nproc)

# SANITIZE=address,undefined builds everything under those sanitizers; give it a BUILD of its own.
SANITIZE  ?=
OPT       ?= -O2 -g
PKGS_DAEMON  := libnvme libsystemd json-c libevent_core
PKGS_LIB     := json-c

# Asked once, at the first use: not for each object, and not where nothing is compiled.
CFLAGS_PKGS  = $(eval CFLAGS_PKGS := $(shell pkg-config --cflags $(PKGS_DAEMON)))$(CFLAGS_PKGS)
LIBS_DAEMON  = $(eval LIBS_DAEMON := $(shell pkg-config --libs $(PKGS_DAEMON)))$(LIBS_DAEMON)
LIBS_LIB     = $(eval LIBS_LIB := $(shell pkg-config --libs $(PKGS_LIB)))$(LIBS_LIB)
LIBS_TEST    = $(eval LIBS_TEST := $(shell pkg-config --libs $(PKGS_DAEMON) check))$(LIBS_TEST)

WARN := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wvla \
        -Wformat=2 -Wundef -Wwrite-strings
CPPFLAGS += -D_GNU_SOURCE -DHOMI_VERSION='"$(VERSION)"' -I. -Ilib/include -MMD -MP
CFLAGS_ALL := -std=c11 $(OPT) -fPIC -fvisibility=hidden -fno-strict-aliasing -fstack-protector-strong $(WARN) $(CFLAGS)
LDFLAGS_ALL := -Wl,-z,relro -Wl,-z,now -Wl,--as-needed $(LDFLAGS)
ifneq ($(SANITIZE),)
CFLAGS_ALL  += -fsanitize=$(SANITIZE) -fno-sanitize-recover=all -fno-omit-frame-pointer
LDFLAGS_ALL += -fsanitize=$(SANITIZE)
endif

PROTO_SRC  := $(wildcard proto/*.c)
LIB_SRC    := $(wildcard lib/*.c)
HOMICTL_SRC := $(wildcard homictl/*.c)
DAEMON_SRC := $(filter-out daemon/main.c,$(wildcard daemon/*.c $(addsuffix /*.c,$(addprefix daemon/,api config core helper peers restart)) daemon/hw/*.c daemon/hw/linux/*.c daemon/hw/model/*.c daemon/model/*.c daemon/relay/*.c))
DAEMON_MAIN := $(wildcard daemon/main.c)
UNIT_SRC   := $(wildcard tests/unit/test_*.c)
UNIT_AUX   := $(filter-out $(UNIT_SRC),$(wildcard tests/unit/*.c))
# Programs that run inside the guest or on the host as test tenants, one file each.
TENANT_SRC := $(wildcard tests/tenants/*.c)
TENANT_AUX := $(wildcard tests/tenants/common/*.c)
EXAMPLE_SRC := $(wildcard man/examples/*.c)

obj = $(patsubst %.c,$(BUILD)/obj/%.o,$(1))
# Objects that only pattern rules lead to are kept like the others.
.SECONDARY:

all: $(BUILD)/libhomi.a $(BUILD)/libhomi.so.$(SOMAJOR) $(BUILD)/homi.pc $(BUILD)/homid $(BUILD)/homictl ## Build the daemon, the library and the command line (no root, no network)
.PHONY: all

include $(wildcard mk/*.mk)

$(BUILD)/obj/%.o: %.c
	@mkdir -p $(@D)
	$(call say,CC,$@)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS_PKGS) $(CFLAGS_ALL) -c -o $@ $<

# The interface definitions are embedded verbatim (.incbin), so the objects depend on them.
$(BUILD)/obj/proto/interfaces.o: $(wildcard proto/*.varlink)

$(BUILD)/libproto.a: $(call obj,$(PROTO_SRC))
$(BUILD)/libhomid.a: $(call obj,$(DAEMON_SRC))
$(BUILD)/libproto.a $(BUILD)/libhomid.a:
	@rm -f $@
	$(call say,AR,$@)
	$(Q)$(AR) qcs $@ $^

# The static library carries the protocol code; its other symbols are hidden by objcopy, as the map does in the .so.
$(BUILD)/libhomi.a: $(call obj,$(LIB_SRC) $(PROTO_SRC))
	@rm -f $@
	$(Q)$(LD) -r -o $(BUILD)/libhomi.o $^
	$(Q)objcopy --wildcard --keep-global-symbol='homi_*' $(BUILD)/libhomi.o
	$(call say,AR,$@)
	$(Q)$(AR) rcs $@ $(BUILD)/libhomi.o

$(BUILD)/libhomi.so.$(SOMAJOR): $(call obj,$(LIB_SRC) $(PROTO_SRC)) lib/libhomi.map
	$(call say,LD,$@)
	$(Q)$(CC) -shared -Wl,-soname,libhomi.so.$(SOMAJOR) -Wl,--version-script=lib/libhomi.map $(LDFLAGS_ALL) \
	  -o $@ $(filter %.o,$^) $(LIBS_LIB)
	$(Q)ln -sf libhomi.so.$(SOMAJOR) $(BUILD)/libhomi.so

$(BUILD)/homi.pc: lib/homi.pc.in Makefile
	@mkdir -p $(@D)
	$(Q)sed -e 's|@PREFIX@|$(PREFIX)|g' -e 's|@LIBDIR@|$(LIBDIR)|g' -e 's|@VERSION@|$(VERSION)|g' $< >$@

$(BUILD)/homid: $(call obj,$(DAEMON_MAIN)) $(BUILD)/libhomid.a $(BUILD)/libproto.a
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $^ $(LIBS_DAEMON)

$(BUILD)/homictl: $(call obj,$(HOMICTL_SRC)) $(BUILD)/libhomi.a
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $^ $(LIBS_LIB)

# Test tenants and the manual's examples link libhomi as a user would: public headers only.
TENANTS := $(patsubst tests/tenants/%.c,$(BUILD)/tenants/%,$(TENANT_SRC)) \
           $(patsubst man/examples/%.c,$(BUILD)/examples/%,$(EXAMPLE_SRC))
tenants: $(TENANTS) ## Build the test tenants and the example programs
.PHONY: tenants
$(BUILD)/tenants/%: $(BUILD)/obj/tests/tenants/%.o $(call obj,$(TENANT_AUX)) $(BUILD)/libhomi.a
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $^ $(LIBS_LIB) -lpthread
$(BUILD)/examples/%: man/examples/%.c $(BUILD)/libhomi.a
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) -Ilib/include -MMD -MP $(CFLAGS_ALL) $(LDFLAGS_ALL) -o $@ $< $(BUILD)/libhomi.a $(LIBS_LIB)

clean: ## Remove what was built, but keep the cached guest image
	rm -rf $(filter-out build/vm,$(wildcard $(BUILD)/*))
.PHONY: clean

help: ## Show this help
	@grep -hE '^[a-z][a-zA-Z_-]*:.*## ' $(MAKEFILE_LIST) | sort | awk -F':.*## ' '{printf "  make %-18s %s\n", $$1, $$2}'
.PHONY: help

-include $(shell find $(BUILD)/obj $(BUILD)/tenants $(BUILD)/examples -name '*.d' 2>/dev/null)
