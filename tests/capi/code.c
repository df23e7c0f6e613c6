/* Code without a model: where it ends, and what editors do with a completion before they show it. */
#include <math.h>

#include "check.h"

#define N CODEGEEX_STRLEN

static int is_text(char *text, size_t len, const char *expected)
{
    int same = text != NULL && strlen(text) == len && strcmp(text, expected) == 0;
    if (!same)
        fprintf(stderr, "  found \"%s\"\n", text ? text : "(null)");
    codegeex_free(text);
    return same;
}

static void stops(void)
{
    const char *pieces[3] = {"    return 1\n", "\nd", "ef two"};
    codegeex_error *error = NULL;
    codegeex_code_stop *stop = NULL;
    char *text = NULL, *rest = NULL, all[32] = "";
    size_t len = 0;
    int32_t reason = -1;

    CHECK_OK(codegeex_code_stop_new("python", N, "function,line", 8, "def one():\n", N, &stop, &error));
    CHECK_OK(codegeex_code_stop_push(stop, pieces[0], N, &text, &len, &reason, &error));
    CHECK(is_text(text, len, "    return 1") && reason == CODEGEEX_FINISH_NONE);
    CHECK_OK(codegeex_code_stop_push(stop, pieces[1], N, &text, &len, &reason, &error));
    CHECK(is_text(text, len, "") && reason == CODEGEEX_FINISH_END_OF_FUNCTION);
    CHECK_OK(codegeex_code_stop_push(stop, pieces[2], N, &text, &len, &reason, &error));
    CHECK(is_text(text, len, "") && reason == CODEGEEX_FINISH_END_OF_FUNCTION);
    codegeex_code_stop_free(stop);

    /* What is held back is text after all. */
    CHECK_OK(codegeex_code_stop_new("Go", N, "block", N, "if x {", N, &stop, &error));
    CHECK_OK(codegeex_code_stop_push(stop, "\n\ty()\n", N, &text, &len, &reason, &error));
    CHECK_OK(codegeex_code_stop_finish(stop, &rest, &len, &error));
    CHECK(snprintf(all, sizeof all, "%s%s", text, rest) > 0 && strcmp(all, "\n\ty()\n") == 0);
    codegeex_free(text);
    codegeex_free(rest);
    codegeex_code_stop_free(stop);
    REFUSED(codegeex_code_stop_push(stop, "x", N, &text, &len, &reason, &error));

    stop = NULL;
    REFUSED(codegeex_code_stop_new("pyton", N, "line", N, "", 0, &stop, &error));
    REFUSED(codegeex_code_stop_new("python", N, "lines", N, "", 0, &stop, &error));
    REFUSED(codegeex_code_stop_new("python", N, "", 0, "", 0, &stop, &error));
    CHECK_STATUS(codegeex_code_stop_new("python", N, "line", N, "\xff", N, &stop, &error),
                 CODEGEEX_INVALID_UTF8);
    CHECK(stop == NULL);

    CHECK_OK(codegeex_code_cut("go", N, "function", N, "func f() {\n", N, "\tg(\"}\")\n}\n\nfunc", N, &len,
                               &reason, &error));
    CHECK(len == 9 && reason == CODEGEEX_FINISH_END_OF_FUNCTION);
    CHECK_OK(codegeex_code_cut("go", N, "function", N, "func f() {\n", N, "\tg()\n", N, &len, NULL, &error));
    CHECK(len == 5);
}

static void polish(void)
{
    const codegeex_text texts[5] = {{"", 0}, {"return x", N}, {"return x\n", N}, {"  return x", N}, {NULL, 0}};
    const float seven[7] = {-0.2f, -0.2f, -0.2f, -0.2f, -0.2f, -0.2f, -0.2f}, two[2] = {-0.5f, -0.5f};
    const float far[2] = {-4.0f, -0.1f}, near[2] = {-0.3f, -0.1f};
    codegeex_likelihood likely[2] = {{two, 2, NULL, 0}, {seven, 7, NULL, 0}};
    codegeex_error *error = NULL;
    codegeex_ranked *ranked = NULL;
    codegeex_code_token *tokens = NULL;
    size_t *indices = NULL, len = 0, at = 0, i;
    char *text = NULL;
    int32_t indentation = 99;

    CHECK_OK(codegeex_code_cut_at_scope("rust", N, "fn f() -> u8 { ", N, "1 }\n\nfn g() -> u8 { 2 }\n", N, &len,
                                        &error));
    CHECK(len == 3);
    CHECK_OK(codegeex_code_without_overlap("python", N, "print(len(", N, "x))", N, "))\n", N, &len, &error));
    CHECK(len == 1);

    CHECK_OK(codegeex_code_indentation("javascript", N, "function f() {\n  g(a,\n    b);\n", N, &indentation,
                                       &error));
    CHECK(indentation == 2);
    CHECK_OK(codegeex_code_indentation("go", N, "if x {\n\ty()\n}\n", N, &indentation, &error));
    CHECK(indentation == CODEGEEX_INDENT_TABS);
    CHECK_OK(codegeex_code_indentation("js", N, "f();\n", N, &indentation, &error));
    CHECK(indentation == CODEGEEX_INDENT_UNKNOWN);
    CHECK_OK(codegeex_code_reindent("go", N, CODEGEEX_INDENT_TABS, "func f() {\n\tif a {\n\t\tb()\n\t}\n\t", N,
                                    "if c {\n        d()\n    }\n", N, &text, &len, &error));
    CHECK(is_text(text, len, "if c {\n\t\td()\n\t}\n"));
    REFUSED(codegeex_code_reindent("go", N, CODEGEEX_INDENT_UNKNOWN, "", 0, "x", 1, &text, &len, &error));
    REFUSED(codegeex_code_reindent("go", N, 17, "", 0, "x", 1, &text, &len, &error));

    CHECK_OK(codegeex_code_distinct(texts, 5, &indices, &len, &error));
    CHECK(len == 2 && indices[0] == 1 && indices[1] == 3);
    codegeex_free(indices);
    CHECK_OK(codegeex_code_distinct(NULL, 0, &indices, &len, &error));
    CHECK(len == 0 && indices != NULL);
    codegeex_free(indices);

    CHECK_OK(codegeex_code_rank(likely, 2, &ranked, &len, &error));
    CHECK(len == 2 && ranked[0].index == 1 && ranked[1].index == 0);
    CHECK(fabs(ranked[0].score + 0.2) < 1e-6 && fabs(ranked[1].score + 0.5) < 1e-6);
    codegeex_free(ranked);
    likely[0].suffix = near;
    likely[1].suffix = far;
    likely[0].suffix_len = likely[1].suffix_len = 2;
    CHECK_OK(codegeex_code_rank(likely, 2, &ranked, &len, &error));
    CHECK(len == 2 && ranked[0].index == 0);
    codegeex_free(ranked);

    /* Tokens cover the text. */
    text = "f(\"}\") # {";
    CHECK_OK(codegeex_code_scan("python", N, text, N, &tokens, &len, &error));
    for (i = 0; i < len; i++) {
        CHECK(tokens[i].start == at);
        at += tokens[i].len;
    }
    CHECK(at == strlen(text) && len == 6);
    CHECK(tokens[0].kind == CODEGEEX_CODE_WORD && tokens[1].kind == CODEGEEX_CODE_OPENER);
    CHECK(tokens[1].depth == 1 && tokens[2].kind == CODEGEEX_CODE_STRING);
    CHECK(tokens[3].kind == CODEGEEX_CODE_CLOSER && tokens[3].depth == 0);
    CHECK(tokens[4].kind == CODEGEEX_CODE_BLANK && tokens[5].kind == CODEGEEX_CODE_COMMENT);
    codegeex_free(tokens);
}

int main(void)
{
    stops();
    polish();
    return done();
}
