# The protocol by which readers of doorbells go to sleep, as a model for spin.

check-spin: ## Prove that no doorbell is lost when its reader goes to sleep (spin; under half a minute)
	@tests/spin/run.sh $(RESULTS)
.PHONY: check-spin
