import java.math.BigInteger;
import java.util.*;
import java.util.stream.*;

/** A program like those that are tested, so that the archive of classes holds what they use. */
final class CodegeexWarmUp {
    interface Shape {
        double area();
    }

    static class Square implements Shape {
        final double side;

        Square(double side) {
            this.side = side;
        }

        public double area() {
            return side * side;
        }
    }

    public static void main(String[] args) {
        List<Integer> numbers = new ArrayList<>(Arrays.asList(3, 1, 2));
        Collections.sort(numbers, (a, b) -> b - a);
        numbers.sort(Comparator.comparing(Object::toString));
        Map<String, Integer> counts = new HashMap<>();
        for (String word : "a b a".split(" ")) counts.merge(word, 1, Integer::sum);
        Map<Character, List<Integer>> tree = new TreeMap<>();
        tree.computeIfAbsent('x', k -> new LinkedList<>()).add(1);
        Set<Object> set = new LinkedHashSet<>(numbers);
        set.addAll(List.of(1, 2));
        String text = numbers.stream().map(String::valueOf).collect(Collectors.joining(","));
        int sum = IntStream.rangeClosed(1, 9).filter(i -> i % 2 == 0).sum();
        String joined = "n=" + sum + ' ' + text + counts.get("a") + 1.5 + 'c' + 7L + true;
        StringBuilder builder = new StringBuilder(joined).reverse();
        double area = new Square(2).area() + Math.sqrt(2) + Math.pow(2, 3) + Math.abs(-1.0);
        Optional<String> found = Stream.of("a", "bc").filter(s -> s.length() > 1).findFirst();
        Deque<Character> stack = new ArrayDeque<>();
        for (char c : builder.toString().toCharArray()) stack.push(c);
        List<Double> halves =
                numbers.stream().mapToDouble(i -> i / 2.0).boxed().collect(Collectors.toList());
        boolean matches = joined.matches("[a-z]=.*") && joined.replaceAll("\\d", "#").length() > 3;
        String formatted = String.format("%.2f %5d %s", area, sum, halves);
        BigInteger big = BigInteger.valueOf(3).pow(50);
        List<Boolean> correct =
                Arrays.asList(
                        found.get().equals("bc"),
                        matches,
                        formatted.contains("3"),
                        big.signum() == 1,
                        Objects.equals(stack.peek(), 'n') || !stack.isEmpty());
        if (correct.contains(false)) throw new AssertionError();
        try {
            List.of(1).get(5);
        } catch (IndexOutOfBoundsException e) {
            if (String.valueOf(e).isEmpty()) throw new AssertionError(e);
        }
    }
}
