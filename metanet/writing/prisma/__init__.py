"""The text of a report by the items of PRISMA 2020."""
