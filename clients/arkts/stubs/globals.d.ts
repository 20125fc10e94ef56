/** ArkTS has it without an import. */
declare function setTimeout(handler: () => void, milliseconds: number): number;
