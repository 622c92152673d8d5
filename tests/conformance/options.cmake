# SPDX-License-Identifier: BSL-1.0
#
# ./dev stress takes these too: with COIR_STRESS_SEED set, each test runs with 200 seeds.
set(label stress/conformance)
set(timeout 300)
