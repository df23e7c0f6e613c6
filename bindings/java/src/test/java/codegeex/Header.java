package codegeex;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** What the C header declares. It knows the form that this header has, not C. */
record Header(
        Map<String, Long> constants, Map<String, Map<String, String>> structs, List<Function> functions) {

    /** A function: its parameters have names and types, in order. */
    record Function(String name, String result, List<String> names, List<String> types) {}

    static Path path() {
        String folder = System.getenv("CODEGEEX_INCLUDE");
        return folder != null ? Path.of(folder, "codegeex.h") : Path.of("..", "..", "include", "codegeex.h");
    }

    static Header read() throws IOException {
        String all = Files.readString(path()).replaceAll("(?s)/\\*.*?\\*/", " ").replaceAll("//[^\n]*", "");
        Map<String, Long> constants = new LinkedHashMap<>();
        Matcher define = Pattern.compile("(?m)^#define CODEGEEX_(\\w+) (-?\\d+)$").matcher(all);
        while (define.find()) {
            constants.put(define.group(1), Long.valueOf(define.group(2)));
        }
        String code = all.replaceAll("(?m)^#.*$", "").replace("extern \"C\" {", "").replaceAll("\\s+", " ");
        Map<String, Map<String, String>> structs = new LinkedHashMap<>();
        Matcher struct = Pattern.compile("typedef struct codegeex_(\\w+) \\{([^}]*)\\}").matcher(code);
        while (struct.find()) {
            Map<String, String> fields = new LinkedHashMap<>();
            for (String field : struct.group(2).split(";")) {
                if (!field.isBlank()) {
                    String[] typed = typed(field);
                    fields.put(typed[1], typed[0]);
                }
            }
            structs.put(struct.group(1), fields);
        }
        List<Function> functions = new ArrayList<>();
        for (String statement : code.replaceAll("\\{[^}]*\\}", "").split(";")) {
            Matcher function = Pattern.compile("^ ?((?!typedef)[^(]*?)codegeex_(\\w+)\\(([^()]*)\\)$").matcher(statement);
            if (!function.find()) {
                continue;
            }
            List<String> names = new ArrayList<>();
            List<String> types = new ArrayList<>();
            for (String parameter : function.group(3).split(",")) {
                if (!parameter.equals("void")) {
                    String[] typed = typed(parameter);
                    types.add(typed[0]);
                    names.add(typed[1]);
                }
            }
            functions.add(new Function(function.group(2), layout(function.group(1)), names, types));
        }
        return new Header(constants, structs, functions);
    }

    /** The layout and the name of a declaration such as {@code const char *text}. */
    private static String[] typed(String declaration) {
        Matcher last = Pattern.compile("^(.*?)(\\w+)$").matcher(declaration.strip());
        if (!last.find()) {
            throw new IllegalArgumentException("no declaration: " + declaration);
        }
        return new String[] {layout(last.group(1)), last.group(2)};
    }

    /** How the type is called in Native. */
    private static String layout(String type) {
        String plain = type.replace("const ", "").strip();
        if (plain.endsWith("*") || plain.endsWith("_callback")) {
            return "P";
        }
        return switch (plain) {
            case "void" -> "void";
            case "int32_t", "uint32_t", "codegeex_status" -> "I";
            case "size_t", "uint64_t" -> "L";
            case "float" -> "F";
            case "double" -> "D";
            default -> throw new IllegalArgumentException("what is " + type);
        };
    }
}
