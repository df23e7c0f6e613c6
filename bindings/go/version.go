package codegeex

// #include "callbacks.h"
import "C"

// HeaderVersion is the version of the header that this package was compiled with.
const HeaderVersion = C.CODEGEEX_VERSION

// Version is the version of the loaded library, such as "0.1.0".
func Version() string { return C.GoString(C.codegeex_version()) }

// ABIVersion is the version of the loaded library: its major number is in the soname, the minor one
// counts additions.
func ABIVersion() (major, minor int) {
	v := C.codegeex_abi_version()
	return int(v >> 16), int(v & 0xffff)
}

// CPUTier is the name of the fastest instruction set that the kernels can use on this machine.
func CPUTier() string { return C.GoString(C.codegeex_cpu_tier()) }

// CPUTiers are the names of all instruction sets that the kernels can use on this machine, from
// "scalar" to the fastest.
func CPUTiers() []string {
	names := make([]string, C.codegeex_cpu_tiers())
	for i := range names {
		names[i] = C.GoString(C.codegeex_cpu_tier_name(C.size_t(i)))
	}
	return names
}

// HasFeature says whether the library was built with a feature.
func HasFeature(name string) bool {
	p, n := cText(name)
	return C.codegeex_has_feature(p, n) != 0
}
