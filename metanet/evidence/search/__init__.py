"""The search of a review: the PRISMA 2020 flow, the reports that were excluded, and the searches of each database."""
