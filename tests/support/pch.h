// The precompiled header that all tests share: the libraries' own, and googletest.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/pch.h"
