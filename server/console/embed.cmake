# Writes OUTPUT, a C++ source that holds the FILES of the console as bytes. Run with cmake -P.
set(entries)
set(arrays)
foreach(file ${FILES})
  get_filename_component(name ${file} NAME)
  file(READ ${file} bytes HEX)
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${bytes}")
  string(REGEX REPLACE "((0x..,)(0x..,)(0x..,)(0x..,)(0x..,)(0x..,)(0x..,)(0x..,))" "\\1\n" bytes "${bytes}")
  string(MAKE_C_IDENTIFIER "k_${name}" array)
  string(APPEND arrays "constexpr unsigned char ${array}[] = {\n${bytes}};\n")
  string(APPEND entries "    entry(\"${name}\", ${array}),\n")
endforeach()
file(WRITE ${OUTPUT}.partial
"#include \"server/console/console.h\"

namespace baton::server {
namespace {

${arrays}
template <size_t size>
ConsoleFile entry(std::string_view name, const unsigned char (&bytes)[size]) {
  return {name, {reinterpret_cast<const char*>(bytes), size}};
}

}  // namespace

std::span<const ConsoleFile> console_files() {
  static const ConsoleFile files[] = {
${entries}  };
  return files;
}

}  // namespace baton::server
")
file(RENAME ${OUTPUT}.partial ${OUTPUT})
