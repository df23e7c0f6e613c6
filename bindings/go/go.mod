module codegeex

go 1.24
