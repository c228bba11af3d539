"""What only one page needs: a folder for each page, with `page.show()`. No page imports another."""
