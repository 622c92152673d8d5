// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <coir/net.hpp>

#include <string>

/// One directory, served read-only. Nothing outside of it can be reached, through whatever path or symbolic link.
class file_directory {
public:
    /// Throws std::system_error if the directory cannot be read.
    explicit file_directory(std::string const& path);
    file_directory(file_directory const&) = delete;
    file_directory& operator=(file_directory const&) = delete;
    ~file_directory();

    /// Answers with the file at `path`, relative to the directory; 404 for everything that is no readable file in it.
    void send(std::string const& path, coir::net::http::response_writer& answer) const;

private:
    int fd_;
};
