# arm64, on a machine that is none.

check-arm64: ## The data path's unit tests on arm64, under emulation (needs gcc-aarch64-linux-gnu, qemu-user, mmdebstrap; no root)
	tests/lib/check-arm64.sh $(RESULTS) $(BUILD)
.PHONY: check-arm64
