# SPDX-License-Identifier: BSL-1.0
set(definitions COIR_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
