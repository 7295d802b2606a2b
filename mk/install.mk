# Installation. DESTDIR stages it; a configuration that is there already is never overwritten.

INSTALL ?= install
CONFDIR := $(SYSCONFDIR)/homi
INCLUDEDIR ?= $(PREFIX)/include
DATADIR ?= $(PREFIX)/share/homi
# Where the shells look for completions; zsh reads site-functions of its own prefix.
BASHDIR ?= $(PREFIX)/share/bash-completion/completions
ZSHDIR  ?= $(PREFIX)/share/zsh/site-functions
UNITS   := $(notdir $(wildcard systemd/*.socket) $(patsubst %.in,%,$(wildcard systemd/*.service.in)))
MANUALS := $(wildcard man/*.[1-9])
HEADERS := $(wildcard lib/include/homi/*.h)

# One word for each file outside the configuration, for both directions.
INSTALLED := $(SBINDIR)/homid $(SBINDIR)/homi-conformance $(BINDIR)/homictl $(BINDIR)/homi-perf \
  $(addprefix $(LIBDIR)/,libhomi.a libhomi.so libhomi.so.$(SOMAJOR) pkgconfig/homi.pc) \
  $(addprefix $(INCLUDEDIR)/homi/,$(notdir $(HEADERS))) \
  $(foreach page,$(MANUALS),$(MANDIR)/man$(patsubst .%,%,$(suffix $(page)))/$(notdir $(page))) \
  $(addprefix $(UNITDIR)/,$(UNITS)) \
  $(DATADIR)/grafana-dashboard.json $(DATADIR)/homid-lending.conf $(BASHDIR)/homictl $(ZSHDIR)/_homictl \
  $(SYSUSERSDIR)/homi.conf $(TMPFILESDIR)/homi.conf $(CATALOGDIR)/homi.catalog

put = $(INSTALL) -D -m $(1) $(2) $(DESTDIR)$(3)

install: all ## Install (DESTDIR=, PREFIX=, SYSCONFDIR=); an existing configuration is kept
	$(call put,755,$(BUILD)/homid,$(SBINDIR)/homid)
	$(call put,755,$(BUILD)/homi-conformance,$(SBINDIR)/homi-conformance)
	$(call put,755,$(BUILD)/homictl,$(BINDIR)/homictl)
	$(call put,755,$(BUILD)/homi-perf,$(BINDIR)/homi-perf)
	$(call put,644,$(BUILD)/libhomi.a,$(LIBDIR)/libhomi.a)
	$(call put,755,$(BUILD)/libhomi.so.$(SOMAJOR),$(LIBDIR)/libhomi.so.$(SOMAJOR))
	ln -sf libhomi.so.$(SOMAJOR) $(DESTDIR)$(LIBDIR)/libhomi.so
	sed -e 's|@PREFIX@|$(PREFIX)|g' -e 's|@LIBDIR@|$(LIBDIR)|g' -e 's|@VERSION@|$(VERSION)|g' lib/homi.pc.in >$(BUILD)/homi.pc
	$(call put,644,$(BUILD)/homi.pc,$(LIBDIR)/pkgconfig/homi.pc)
	$(INSTALL) -d $(DESTDIR)$(INCLUDEDIR)/homi $(DESTDIR)$(CONFDIR)/homid.conf.d
	$(INSTALL) -m 644 $(HEADERS) $(DESTDIR)$(INCLUDEDIR)/homi/
	$(foreach page,$(MANUALS),$(call put,644,$(page),$(MANDIR)/man$(patsubst .%,%,$(suffix $(page)))/$(notdir $(page))) &&) true
	$(call put,644,homictl/completion/homictl.bash,$(BASHDIR)/homictl)
	$(call put,644,homictl/completion/_homictl,$(ZSHDIR)/_homictl)
	$(INSTALL) -d $(DESTDIR)$(UNITDIR)
	for unit in $(UNITS); do \
	  sed -e 's|@SBINDIR@|$(SBINDIR)|g' -e 's|@BINDIR@|$(BINDIR)|g' systemd/$$unit* >$(DESTDIR)$(UNITDIR)/$$unit && \
	  chmod 644 $(DESTDIR)$(UNITDIR)/$$unit || exit 1; done
	$(call put,644,conf/grafana-dashboard.json,$(DATADIR)/grafana-dashboard.json)
	$(call put,644,systemd/homid-lending.conf,$(DATADIR)/homid-lending.conf)
	$(call put,644,systemd/homi.sysusers,$(SYSUSERSDIR)/homi.conf)
	$(call put,644,systemd/homi.tmpfiles,$(TMPFILESDIR)/homi.conf)
	$(call put,644,systemd/homi.catalog,$(CATALOGDIR)/homi.catalog)
	test -e $(DESTDIR)$(CONFDIR)/homid.conf || $(call put,644,conf/homid.conf,$(CONFDIR)/homid.conf)
.PHONY: install

uninstall: ## Remove what install put there, except the configuration
	rm -f $(addprefix $(DESTDIR),$(INSTALLED))
	rmdir $(DESTDIR)$(INCLUDEDIR)/homi 2>/dev/null || true
.PHONY: uninstall
