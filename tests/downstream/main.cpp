// SPDX-License-Identifier: BSL-1.0
#include <coir/coir.hpp>

#include <chrono>

int main() {
    const int answer = coir::run([] {
        auto half = coir::spawn([] {
            coir::sleep(std::chrono::milliseconds{1});
            return 21;
        });
        return 2 * half.get();
    });
    return answer == 42 ? 0 : 1;
}
