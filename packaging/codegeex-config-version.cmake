# The version is that of the installed header. Below 1.0 a program that asks for 0.N gets 0.M for any
# M that is not older: the ABI's major number, which is in the soname, says what does not fit.
file(STRINGS "${CMAKE_CURRENT_LIST_DIR}/../../../include/codegeex.h" _codegeex_line
  REGEX "^#define CODEGEEX_VERSION \"")
string(REGEX REPLACE ".*\"(.*)\".*" "\\1" PACKAGE_VERSION "${_codegeex_line}")
string(REGEX REPLACE "^([0-9]+)\\..*" "\\1" _codegeex_major "${PACKAGE_VERSION}")
if(PACKAGE_FIND_VERSION_MAJOR STREQUAL _codegeex_major
    AND NOT PACKAGE_VERSION VERSION_LESS PACKAGE_FIND_VERSION)
  set(PACKAGE_VERSION_COMPATIBLE TRUE)
  if(PACKAGE_VERSION VERSION_EQUAL PACKAGE_FIND_VERSION)
    set(PACKAGE_VERSION_EXACT TRUE)
  endif()
else()
  set(PACKAGE_VERSION_COMPATIBLE FALSE)
endif()
