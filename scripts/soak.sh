#!/bin/bash
# Runs faults at random on real processes for as long as the arguments say (see Options in tests/chaos/soak.rs), and
# then the simulation with many seeds (SIMULATION_SEEDS, 10,000 by default). Fails when either broke a promise.
# shellcheck source=scripts/with-services.sh
source "$(dirname "$0")/with-services.sh"

SOAK_ARGS="$*" run chaos --ignored --exact soak::soak
SIMULATION_SEEDS=${SIMULATION_SEEDS:-10000} run simulation
exit "$status"
