"""A pure Python function as TypeScript, so that a browser runs the decision that simulations run.

Only plain arithmetic is known: numbers and lists of them, `if`, `for … in range`, `len`, `min`, `max`. Anything else
is refused, never guessed.
"""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Callable, Sequence

_TYPES = {"float": "number", "int": "number", "Sequence[float]": "readonly number[]"}
_OPERATORS: dict[type[ast.AST], str] = {
    ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.Eq: "===", ast.NotEq: "!==", ast.Lt: "<",
    ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=",
}  # fmt: skip


def typescript_of(function: Callable[..., object], *, comment: str) -> str:
    """An exported function of the same name, in camel case. Raises ValueError for what is not known."""
    (tree,) = ast.parse(textwrap.dedent(inspect.getsource(function))).body
    if not isinstance(tree, ast.FunctionDef):
        raise _unknown(tree)
    arguments = ", ".join(f"{_name(one.arg)}: {_type(one.annotation)}" for one in tree.args.args)
    body = _block(_without_docstring(tree.body), {one.arg for one in tree.args.args}, 1)
    return (
        f"{_comment(comment)}\n\n{_comment(ast.get_docstring(tree) or '')}\n"
        f"export function {_name(tree.name)}({arguments}): {_type(tree.returns)} {{\n{body}}}\n"
    )


def _comment(text: str) -> str:
    lines = re.sub(r"`(\w+)`", lambda found: f"`{_name(found[1])}`", text).splitlines()
    return (
        f"/** {lines[0]} */"
        if len(lines) == 1
        else "\n".join(["/**", *(f" * {one}".rstrip() for one in lines), " */"])
    )


def _without_docstring(body: Sequence[ast.stmt]) -> Sequence[ast.stmt]:
    first = body[0]
    return body[1:] if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) else body


def _block(body: Sequence[ast.stmt], known: set[str], depth: int) -> str:
    inside = set(known)
    return "".join(f"{'  ' * depth}{_statement(one, inside, depth)}\n" for one in body)


def _statement(one: ast.stmt, known: set[str], depth: int) -> str:
    match one:
        case ast.Return(value=ast.expr() as value):
            return f"return {_expression(value)};"
        case ast.Assign(targets=[ast.Name(id=name)], value=value):
            begun = "" if name in known else "let "
            known.add(name)
            return f"{begun}{_name(name)} = {_expression(value)};"
        case ast.AugAssign(target=ast.Name(id=name), op=operator, value=value):
            return f"{_name(name)} {_operator(operator)}= {_expression(value)};"
        case ast.If(test=test, body=body, orelse=[]):
            return f"if ({_expression(test)}) {{\n{_block(body, known, depth + 1)}{'  ' * depth}}}"
        case ast.For(
            target=ast.Name(id=name), iter=ast.Call(func=ast.Name(id="range"), args=args), body=body, orelse=[]
        ):
            if len(args) > 2:
                raise _unknown(one)
            start, stop = [ast.Constant(0), *args] if len(args) == 1 else args
            at = _name(name)
            head = f"let {at} = {_expression(start)}; {at} < {_expression(stop)}; {at} += 1"
            return f"for ({head}) {{\n{_block(body, known | {name}, depth + 1)}{'  ' * depth}}}"
    raise _unknown(one)


def _expression(one: ast.expr) -> str:
    match one:
        case ast.Constant(value=int() | float() as value) if not isinstance(value, bool):
            return repr(value)
        case ast.Name(id=name):
            return _name(name)
        case ast.BinOp(left=left, op=operator, right=right):
            return f"({_expression(left)} {_operator(operator)} {_expression(right)})"
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return f"(-{_expression(operand)})"
        case ast.Compare(left=left, ops=[operator], comparators=[right]):
            return f"{_expression(left)} {_operator(operator)} {_expression(right)}"
        case ast.IfExp(test=test, body=body, orelse=other):
            return f"({_expression(test)} ? {_expression(body)} : {_expression(other)})"
        case ast.Subscript(value=ast.Name(id=name), slice=at) if not isinstance(at, ast.UnaryOp | ast.Slice):
            return f"{_name(name)}[{_expression(at)}]!"
        case ast.Call(func=ast.Name(id="len"), args=[ast.Name(id=name)]):
            return f"{_name(name)}.length"
        case ast.Call(func=ast.Name(id="min" | "max" as name), args=args):
            return f"Math.{name}({', '.join(map(_expression, args))})"
    raise _unknown(one)


def _operator(one: ast.AST) -> str:
    if type(one) not in _OPERATORS:
        raise _unknown(one)
    return _OPERATORS[type(one)]


def _type(annotation: ast.expr | None) -> str:
    said = ast.unparse(annotation) if annotation else ""
    if said not in _TYPES:
        raise ValueError(f"no type of TypeScript is known for {said or 'a missing annotation'}")
    return _TYPES[said]


def _name(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(one.capitalize() for one in rest)


def _unknown(one: ast.AST) -> ValueError:
    return ValueError(f"this is not translated: {ast.unparse(one) if hasattr(one, 'lineno') else type(one).__name__}")
