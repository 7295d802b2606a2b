# Debian packages, from packaging/debian. They are built again when a file of the tree is newer than they are.

DEB       := $(BUILD)/deb
DEB_FILES := $(shell find $(filter-out build,$(wildcard *)) -type f)

deb: $(DEB)/built ## Build the Debian packages into build/deb (Debian; no root)
.PHONY: deb
$(DEB)/built: $(DEB_FILES)
	@packaging/deb.sh $(DEB) nocheck
	@touch $@

check-packages: deb ## Build the Debian packages, and let lintian and a program of theirs judge them (Debian)
	@packaging/check.sh $(DEB) $(RESULTS)
.PHONY: check-packages

# What packaging/debian/rules installs, and what check.sh compares the packages with.
install-debian:
	@$(MAKE) --no-print-directory install PREFIX=/usr LIBDIR=/usr/lib/$$(dpkg-architecture -qDEB_HOST_MULTIARCH) \
	  UNITDIR=/lib/systemd/system ZSHDIR=/usr/share/zsh/vendor-completions
.PHONY: install-debian
