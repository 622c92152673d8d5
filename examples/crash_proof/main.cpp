// SPDX-License-Identifier: BSL-1.0
//
// Parses strings with a function that crashes on some of them. In worker processes that costs the one string.
#include <coir/coir.hpp>
#include <coir/process_pool.hpp>

#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

// As if it came from a library that nobody dares to touch.
int fragile_length(std::string const& text) {
    if (text == "evil") {
        std::abort();
    }
    if (text.empty()) {
        throw std::invalid_argument("an empty string");
    }
    return static_cast<int>(text.size());
}

int app_main() {
    coir::process_pool_executor pool({.max_workers = 2});
    std::vector<std::string> const texts{"one", "evil", "three", "", "fifteen"};
    std::vector<coir::future<int>> lengths;
    lengths.reserve(texts.size());
    for (std::string const& text : texts) {
        lengths.push_back(pool.submit<&fragile_length>(text));
    }
    for (std::size_t i = 0; i < texts.size(); ++i) {
        try {
            std::printf("'%s': %d\n", texts[i].c_str(), lengths[i].get());
        } catch (coir::worker_died const& error) {
            std::printf("'%s': its worker died of signal %d\n", texts[i].c_str(), error.signal());
        } catch (std::invalid_argument const& error) {
            std::printf("'%s': %s\n", texts[i].c_str(), error.what());
        }
    }
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    return coir::run(argc, argv, app_main);  // where the workers begin as well
}
